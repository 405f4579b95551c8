"""An engine, a network and an effect for bodyseg_ros."""
