"""Chapter 08, recurrent nets and the LSTM: depth in time, the additive path, and its control."""
