import ulna

scores = ulna.evaluate("runs/own/bundle", "films.csv")
print(scores["by_body_part"]["ALL"]["auroc"])
