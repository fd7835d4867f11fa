print("never run: the sweep files beside it are wrong")
