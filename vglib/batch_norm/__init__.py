"""Chapter 06, batch norm: what it standardises, what it rescues, and how it explodes."""
