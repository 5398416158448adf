"""The models of a replica: a call goes in, is scheduled, evaluated in a batch, and answered."""
