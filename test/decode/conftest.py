"""Everything about the decoders holds both for the kernels in C and for NumPy, which does without them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bodyseg_ros.kernels import compiled


@pytest.fixture(scope="module", autouse=True, params=["compiled", "plain"])
def way(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "compiled":
        if compiled.LIBRARY is None:
            pytest.skip("the kernels were not built: a C compiler has to be there when the package is installed")
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "LIBRARY", None)
        yield
