module github.com/aksess/aksess/bench

go 1.26.0

require github.com/aksess/aksess v0.0.0

replace github.com/aksess/aksess => ../
