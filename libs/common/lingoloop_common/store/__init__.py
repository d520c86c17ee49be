"""PostgreSQL: the pool, named queries, migrations, and the writes that several services share."""
