"""What is told of an order by mail: its words, its figures, and the server that takes it."""
