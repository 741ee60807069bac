"""Steps that train or evaluate a network, and the calls in them."""
