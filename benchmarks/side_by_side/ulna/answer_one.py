import ulna

answer = ulna.load("runs/own/bundle").predict("film.png")
print(answer.probability)
