package index

// FlushAfter makes an index flush behind its writer after so many changes.
func FlushAfter(x *Index, changes int) { x.flushAfter = changes }

// ForgetRanked has the snapshot forget keys in other orders.
func ForgetRanked(s *Snapshot) { s.ranked.Store(nil) }
