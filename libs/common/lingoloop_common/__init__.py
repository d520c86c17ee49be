"""What the services share: contracts (pure), and the plumbing around PostgreSQL, RabbitMQ and storage."""
