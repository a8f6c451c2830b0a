"""What bench/oracle.py reads in the log of a load."""

import pytest

from bench.oracle import logged_figures
from tui.verify import Unverifiable

LOG = """\
load_tensors:          CPU model buffer size =     0.00 MiB
llama_kv_cache:        CPU KV buffer size =     0.00 MiB
llama_kv_cache: size =  137.25 MiB (  2048 cells,  61 layers,  1/1 seqs), K (f16):  137.25 MiB, V (f16):    0.00 MiB
llama_memory_recurrent: size =   12.50 MiB
sched_reserve:        CPU compute buffer size =   410.01 MiB
"""


def test_caches_count_by_their_own_sums_where_nothing_is_allocated() -> None:
    assert logged_figures(LOG) == (None, 149, 410)


def test_weights_are_the_sum_of_their_buffers() -> None:
    log = LOG + "load_tensors:   CPU_Mapped model buffer size =   372.65 MiB\n"

    assert logged_figures(log)[0] == 372


def test_a_log_without_buffers_is_no_answer() -> None:
    with pytest.raises(Unverifiable, match="no buffers"):
        logged_figures("failed to load model")
