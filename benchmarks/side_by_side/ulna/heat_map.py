import ulna

axes = ulna.load("runs/own/bundle").predict("film.png").plot()
axes[0].figure.savefig("heat_ulna.png")
