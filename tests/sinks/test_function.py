"""Functions as sinks: each is called with every alert, in order, until it has taken it."""

import threading

from oddframe.sinks.delivery import Delivery
from oddframe.sinks.function import FunctionSink, function_sinks
from oddframe.sinks.sink import message_of
from tests.support.alerting import made_alert


def test_a_function_is_called_with_the_message_of_each_alert():
    came, alert = [], made_alert()
    with Delivery({"tell": FunctionSink(came.append)}, None) as delivery:
        delivery.offer(alert)
        assert delivery.flush(10)
    assert came == [message_of(alert)]


def test_a_function_that_raises_is_called_again_with_the_same_alert():
    came, again = [], threading.Event()

    def tell(message):
        came.append(message)
        if len(came) == 1:
            raise ValueError("busy")
        again.set()

    with Delivery({"tell": FunctionSink(tell)}, None) as delivery:
        delivery.offer(made_alert())
        assert again.wait(10)
        assert delivery.flush(10)
        assert delivery.counts()["tell"].failures == 1
    assert came[0] == came[1]


def test_sinks_are_named_after_their_functions_and_differ():
    def tell(message):
        """Take it."""

    class Caller:
        def __call__(self, message):
            """Take it."""

    names = list(function_sinks([tell, tell, Caller(), print], {"print"}))
    assert names == ["tell", "tell-2", "Caller", "print-2"]
