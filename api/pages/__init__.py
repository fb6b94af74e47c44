"""What people look at: the buyer's page of an order, and the operators' console."""
