"""Networks, from perceptrons to DenseNets."""
