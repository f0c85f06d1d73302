// The colours and the font of what is drawn on a canvas, as the theme has them now.

const NAMES = ["card", "ink", "soft", "line", "well", "calm", "alarm", "fault"];

let known = null;
document.addEventListener("themed", () => { known = null; }, { capture: true });

export function stripStyle() {
  if (known) return known;
  const css = getComputedStyle(document.documentElement);
  known = {
    colours: Object.fromEntries(NAMES.map((name) => [name, css.getPropertyValue(`--${name}`).trim()])),
    font: `12px ${getComputedStyle(document.body).fontFamily}`,
  };
  return known;
}
