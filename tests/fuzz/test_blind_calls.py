"""Every argument of every public function, replaced by what it cannot be: one sentence, never a traceback."""

import pytest

from .calls import NAN_MEANS, every_call, without_arguments
from .judge import WRONG, judge


def faults(call):
    """What goes wrong when the arguments of a call are replaced one at a time, and how many calls that took."""
    found, tried = [], 0
    for name in call.arguments():
        for label, make in WRONG.items():
            if (name, label) == ("kernel", "a function"):
                continue  # a function may be a kernel, and what it raises is its own
            arguments = {**call.arguments(), name: make()}
            verdict, detail, _ = judge(
                call.function, arguments, nan_means=call.name in NAN_MEANS, foreign=call.foreign
            )
            tried += 1
            if verdict not in ("answered", "refused"):
                found.append(f"{call.name}({name}={label}): {verdict}, {detail:.200}")
    return found, tried


@pytest.mark.parametrize("call", every_call(), ids=lambda call: call.name)
def test_what_an_argument_cannot_be_is_refused_in_one_sentence(call):
    verdict, detail, _ = judge(
        call.function, call.arguments(), nan_means=call.name in NAN_MEANS, foreign=call.foreign
    )
    assert verdict == "answered", detail
    found, _ = faults(call)
    assert not found, "\n".join(found)


def test_every_public_function_is_here():
    missing = without_arguments()
    assert not missing, f"give arguments that it takes in tests/fuzz/calls.py for {', '.join(missing)}"


def test_faults_are_seen():
    """A function without checks has them all."""
    from .calls import Call

    found, tried = faults(Call("half", lambda value: value / 2, lambda: {"value": 3.0}))
    assert tried == len(WRONG)
    assert any("None): traceback, TypeError" in fault for fault in found)
    assert any("NaN): silent" in fault for fault in found)
