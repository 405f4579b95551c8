"""Weights of one's own: data, teacher, network, train, evaluate, export."""
