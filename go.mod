module github.com/aksess/aksess

go 1.26
