"""What `import gossipw2v` gives: a node that runs in this process, its vectors, and a line to a running one."""
