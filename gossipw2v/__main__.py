"""`python -m gossipw2v` is the `gossipw2v` command."""

from gossipw2v.cli.main import main

if __name__ == "__main__":
    main()
