"""Early termination: learning curves, how they are compared, and the policies that judge by them."""
