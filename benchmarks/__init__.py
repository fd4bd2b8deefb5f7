"""Speed against peers: the same work, in the same run."""
