"""``upgrade`` refuses by name what is no option, before anything is connected."""

from typing import Any

import pytest

from esmm import upgrade
from esmm.errors import QueryError
from esmm.query.upgrade import Options

BODY = {"query": {"match": {"title": "shoe"}}}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"recall": "x"}, "recall cannot be 'x'"),
        ({"strategy": "fast"}, "strategy cannot be 'fast'"),
        ({"recal": "rescue"}, "there is no option recal"),
    ],
)
def test_an_option_that_is_none_is_named(options: dict[str, Any], told: str) -> None:
    with pytest.raises(QueryError, match=told):
        Options.checked(**options)


def test_what_is_given_reaches_the_searcher() -> None:
    class Recorder:
        def upgrade(self, body: Any, ask: Any, options: Options) -> Any:
            self.given, self.body = (ask.text, ask.like, options.recall), {"made": True}
            return self

    recorder: Any = Recorder()
    assert upgrade(BODY, text="boot", like="S1", searcher=recorder, recall="rescue") == {"made": True}
    assert recorder.given == ("boot", ("S1",), "rescue")
