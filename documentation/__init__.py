"""The documentation as a static site: ``python -m documentation`` builds it into ``site/``, without a network."""
