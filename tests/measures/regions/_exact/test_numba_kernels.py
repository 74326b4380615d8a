"""How the inner loops are compiled."""

from sslens.measures.regions._exact import numba_kernels


def test_compiled_loops_do_without_a_folder_to_keep_them(monkeypatch):
    real = numba_kernels.njit

    def nowhere(*args, **options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba_kernels, "njit", nowhere)
    assert numba_kernels.compiled(lambda x: x + 1)(1) == 2
