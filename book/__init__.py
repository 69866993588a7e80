"""The book: pages in `docs/`, completed from the code and from `results/`, built by zensical in two languages."""
