package arm_test

import "github.com/aksess/aksess/internal/store"

func absent() store.Condition { return store.Absent() }
