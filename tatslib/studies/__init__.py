"""The book's experiments: the protocol first, then one function of the seed, then numbers.

A chapter runs a study live for one seed; `make results` runs it for every seed and commits the numbers with their
provenance under `book/results/`; the chapter shows both, and a test checks that they agree.
"""
