# A picture that is XML, with a dot and a legend for each test and a curve over batch sizes.
r1-bench -q -m $TINY_MODEL --prompt-tokens 4 -n 2 --batch-size 1,2 --min-time 0s --repeat 1 --plot p.svg >/dev/null; echo $?
python3 - <<'P'
import xml.etree.ElementTree as tree
root = tree.parse("p.svg").getroot()
svg = "{http://www.w3.org/2000/svg}"
print(root.tag == svg + "svg", len(root.findall(svg + "circle")))
print([t.text for t in root.findall(svg + "text") if t.get("class") == "heading"])
P
