module sekisho.example/bench

go 1.22
