"""What a batch means: tables and figures from run folders."""
