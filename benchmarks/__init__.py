"""One script for each published figure: ``python -m benchmarks.NAME``; its result lies in ``results/NAME.md``.

ESMM_BENCH_DATA names the folder of the data sets (fashion/, esci/, grocery/, weights/); ELASTICSEARCH_URL a server to
measure on, else the local node of ``esmm up``.
"""
