"""Places some orders in the simulated store, and writes the contract once more with only the names that this store knows."""

import json
import ssl
import sys
import urllib.request

url, ca, contract, narrow = sys.argv[1:]
trusting = ssl.create_default_context(cafile=ca)


def by_hand(path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request, context=trusting))


orders = [by_hand("/demo/orders", {"lines": [{"sku": "1001", "qty": 1}]})["order_id"] for _ in range(4)]
by_hand(f"/demo/orders/{orders[1]}/ship", {})
by_hand(f"/demo/orders/{orders[2]}/cancel", {})
by_hand(f"/demo/orders/{orders[3]}/move", {})

with open(contract) as file:
    known = json.load(file)
schemas = known["components"]["schemas"]
schemas["Location"]["enum"] = ["shop1"]
schemas["OrderId"]["enum"] = orders
schemas["Sku"]["enum"] = ["1001", "1002", "A/B-7", "GIFT-10", "NO-SUCH"]
schemas["StockUpdate"]["properties"]["orders_through"]["maximum"] = 7
known["paths"]["/v1/orders"]["get"]["parameters"][1]["schema"]["enum"] = ["c-0", "c-3", "c-7"]
with open(narrow, "w") as file:
    json.dump(known, file)
