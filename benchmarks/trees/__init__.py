"""What ``bench_trees`` compares: tables, boosted models, the methods of others, the protocol."""
