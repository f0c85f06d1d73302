// Shows notifications that the server sends, also while no page of the app is open.
"use strict";

const TITLE = "Oddframe";

self.addEventListener("push", (event) => {
  let shown = {};
  try { shown = event.data.json(); } catch { /* Something came, but nobody knows what. */ }
  event.waitUntil(self.registration.showNotification(shown.title ?? TITLE, {
    body: shown.text ?? "", tag: shown.tag, icon: "icon-192.png", badge: "icon-192.png",
    data: { hash: shown.hash ?? "#/events" },
  }));
});

// Leads to the event: in a page that is open already, or in a new one.
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const address = new URL(event.notification.data.hash, self.registration.scope).href;
  const open = async () => {
    const pages = await self.clients.matchAll({ type: "window" });
    const page = pages[0];
    if (!page) return self.clients.openWindow(address);
    await page.focus();
    return page.navigate(address);
  };
  event.waitUntil(open());
});
