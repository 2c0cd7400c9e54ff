"""What an author of the course needs: the builder of the notebooks and its checks."""
