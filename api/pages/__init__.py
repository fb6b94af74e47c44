"""What people look at: the buyer's page of an order, the operators' console. Rendered here, without a build."""
