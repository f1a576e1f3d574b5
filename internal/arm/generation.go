package arm

// Generation grows with every write to any resource that a later Get or List
// would see. Caches of what resources say compare it.
func (rs *Resources) Generation() uint64 { return rs.store.Generation(kindResource) }
