"""Many workers: started on Ray, watched, replaced, drained."""
