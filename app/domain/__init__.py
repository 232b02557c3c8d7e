"""The rules of the board and the words they are made of. Pure, standard library only: no clock, no I/O, no
framework."""
