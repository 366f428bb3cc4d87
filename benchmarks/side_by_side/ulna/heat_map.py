import ulna

ulna.load("runs/own/bundle").predict("film.png").save("heat_ulna.png")
