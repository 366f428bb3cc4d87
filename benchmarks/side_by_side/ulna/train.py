# One pass, as for the other libraries; the recipe's own number without `set`.
import ulna

run = ulna.train("films.csv", out="runs/own", set={"experts.*.epochs": 1})
run.export()
run.calibrate()
