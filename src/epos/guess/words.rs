//! What tills call their columns, in several languages.
//!
//! Promises: upper and lower case, accents, blanks and marks do not matter; a word for something else (a price, a
//! minimum, what is on order) is never taken for the stock. Only a whole name means something for sure; a name that
//! merely has such a word in it (`Sollbestand`, `Qty sold last week`, `Parent SKU`) is like one, no more.

/// What a column's name says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Literally "SKU".
    Sku,
    /// The till's own number of the item.
    ItemCode,
    /// The number under the bars.
    Barcode,
    /// A name with the word for an item's number in it, which may be that of another thing.
    LikeItem,
    /// How many there are.
    Quantity,
    /// A name with the word for a stock in it: perhaps a wanted, a damaged or another shop's stock.
    LikeQuantity,
    /// Money.
    Price,
    /// A number of units that are not the stock: a minimum, what is on order, what was sold.
    OtherNumber,
    /// A shop.
    Branch,
    /// What a delta row does.
    Action,
    /// The place of a row among changes.
    Ordinal,
    /// When something was.
    Time,
    /// A name for people.
    Description,
}

const ITEM_CODES: &str = " itemcode itemno itemnr itemnumber itemid itemref item productcode productno productnumber \
    productid productref product stockcode stockno stockid articlecode articleno articlenumber articleid article artno \
    artnr art artikelnr artikelnummer artikelcode artikelid artikel artnummer partno partnumber partcode part plu \
    plucode pluno code ref reference refarticle codearticle codeproduit referencearticle referenceproduit codice \
    codicearticolo codarticolo articolo codigo codigoarticulo codarticulo articulo referencia varenr varenummer vare \
    produktnr produktnummer produktkode produktid artikkelnr varunummer artnrintern materialnr material matnr sachnr \
    numeroarticle noarticle numarticle ";
const BARCODES: &str = " ean ean13 ean8 eancode barcode gtin gtin13 upc upca isbn isbn13 scancode streckkod stregkode \
    strekkode codebarre codebarres codeabarres codebarra codiceabarre codiceean codigodebarras codigobarras \
    strichcode eannr eannummer ";
const QUANTITIES: &str = " qty quantity quantities stock stocklevel stockqty stockquantity qtyinstock quantityinstock \
    instock inventory onhand onhandqty onhandquantity qtyonhand quantityonhand qoh soh stockonhand currentstock \
    currentqty currentquantity physicalstock available availableqty availablequantity qtyavailable availablestock \
    stockavailable quantityavailable avail freestock freeqty freequantity onhandbalance inventoryquantity inventoryqty \
    bestand lagerbestand istbestand aktuellerbestand aktuellerlagerbestand verfugbarerbestand verfuegbarerbestand \
    freierbestand menge lager lagermenge bestandsmenge verfugbar verfuegbar verfugbaremenge verfuegbaremenge stand \
    lagerstand antal lagerantal lagersaldo saldo beholdning lagerbeholdning antalpalager voorraad vrijevoorraad \
    voorraadaantal aantal quantite quantites qte qtestock stockqte quantitestock quantiteenstock qteenstock enstock \
    quantitedisponible stockdisponible disponible dispo stockactuel stockreel stockphysique esistenza giacenza \
    giacenze quantita qta quantitadisponibile disponibilita existencias existencia stockactual enexistencia cantidad \
    cantidaddisponible cant ";
/// Whole names that may be a stock, or a size of pack, a sum over all shops, a number of lines.
const LIKE_QUANTITIES: &str = " stk stuck stueck units unidades count free totalstock shelfstock ";
/// Whole names of numbers that often stand for several items, or for another firm's.
const LIKE_ITEMS: &str = " style stylecode styleno modelno suppliercode ";
/// Parts of longer names that still say item ("Parent SKU").
const ITEM_STEMS: [&str; 14] = [
    "sku",
    "barcode",
    "gtin",
    "itemcode",
    "itemno",
    "itemnumber",
    "productcode",
    "articleno",
    "artikelnr",
    "artikelnum",
    "artnr",
    "partno",
    "stockcode",
    "varenr",
];
const BRANCHES: &str = " branch branchid branchcode branchno store storeid storecode storeno storenumber location \
    locationid locationcode loc shop shopid shopcode shopno site siteid warehouse warehouseid whs wh depot outlet \
    filiale filialnr filialnummer filialid filial fil filiaal magasin codemagasin negozio deposito tienda almacen butik \
    butiksnr forretning winkel lagerort standort mandant ";
const ACTIONS: &str = " action op operation changetype change updatetype recordaction aktion kennzeichen satzart \
    azione accion handling mutatie mode flag ";
const ORDINALS: &str = " seq sequence seqno sequenceno changeno changeid rowversion lfdnr laufnr transno ";
const TIMES: [&str; 11] =
    ["date", "datum", "time", "zeit", "stamp", "updated", "modified", "changed", "fecha", "datetime", "dato"];
const PRICES: [&str; 14] = [
    "price", "preis", "cost", "value", "wert", "prix", "prezzo", "precio", "prijs", "pris", "rrp", "vat", "mwst",
    "netto",
];
const OTHERS: [&str; 26] = [
    "min",
    "max",
    "reorder",
    "sold",
    "sales",
    "onorder",
    "ordered",
    "alloc",
    "reserv",
    "backorder",
    "incoming",
    "transit",
    "mindest",
    "melde",
    "bestellt",
    "verkauft",
    "size",
    "grosse",
    "groesse",
    "weight",
    "pack",
    "gewicht",
    "supplier",
    "season",
    "discount",
    "external",
];
const DESCRIPTIONS: [&str; 16] = [
    "desc",
    "name",
    "title",
    "bezeichnung",
    "text",
    "libelle",
    "designation",
    "omschrijving",
    "benaevning",
    "benamning",
    "colour",
    "color",
    "farbe",
    "brand",
    "department",
    "group",
];
/// Parts of longer names that may still say stock ("Qty Main Street").
const QUANTITY_STEMS: [&str; 12] = [
    "qty",
    "quantity",
    "onhand",
    "stock",
    "bestand",
    "menge",
    "voorraad",
    "giacenza",
    "quantit",
    "existencia",
    "antal",
    "qte",
];

/// A name in small letters, without accents, blanks and marks.
pub(super) fn plain(name: &str) -> String {
    const LONGEST: usize = 64;
    let letters = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase);
    letters.filter(|c| c.is_alphanumeric()).map(without_accent).take(LONGEST).collect()
}

fn without_accent(c: char) -> char {
    const ACCENTS: [(&str, char); 7] =
        [("àáâãäå", 'a'), ("èéêë", 'e'), ("ìíîï", 'i'), ("òóôõöø", 'o'), ("ùúûü", 'u'), ("ñ", 'n'), ("ç", 'c')];
    ACCENTS.iter().find(|(accented, _)| accented.contains(c)).map_or(c, |(_, letter)| *letter)
}

fn has(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|word| word == name)
}

/// What a column's name says that it is, if it says anything.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    let name = plain(name);
    if name.is_empty() { None } else { whole(&name).or_else(|| partly(&name)) }
}

/// What the whole name means.
fn whole(name: &str) -> Option<Meaning> {
    const LISTS: [(&str, Meaning); 9] = [
        (" sku skucode skuid ", Meaning::Sku),
        (ITEM_CODES, Meaning::ItemCode),
        (BARCODES, Meaning::Barcode),
        (QUANTITIES, Meaning::Quantity),
        (LIKE_ITEMS, Meaning::LikeItem),
        (LIKE_QUANTITIES, Meaning::LikeQuantity),
        (BRANCHES, Meaning::Branch),
        (ACTIONS, Meaning::Action),
        (ORDINALS, Meaning::Ordinal),
    ];
    LISTS.into_iter().find(|(list, _)| has(list, name)).map(|(_, meaning)| meaning)
}

/// What a word inside the name lets it mean.
fn partly(name: &str) -> Option<Meaning> {
    let holds = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if holds(&PRICES) {
        Some(Meaning::Price)
    } else if holds(&OTHERS) {
        Some(Meaning::OtherNumber)
    } else if holds(&TIMES) {
        Some(Meaning::Time)
    } else if holds(&ITEM_STEMS) {
        Some(Meaning::LikeItem)
    } else if holds(&QUANTITY_STEMS) {
        Some(Meaning::LikeQuantity)
    } else if holds(&DESCRIPTIONS) {
        Some(Meaning::Description)
    } else {
        None
    }
}

/// Does a row of such names look like the head of a stock table?
pub(super) fn is_head<'n>(names: impl IntoIterator<Item = &'n str>) -> bool {
    const LOOKED_AT: usize = 100;
    let meanings: Vec<Meaning> = names.into_iter().take(LOOKED_AT).filter_map(meaning).collect();
    let is_item =
        |meaning: &Meaning| matches!(meaning, Meaning::Sku | Meaning::ItemCode | Meaning::Barcode | Meaning::LikeItem);
    let is_stock = |meaning: &Meaning| matches!(meaning, Meaning::Quantity | Meaning::LikeQuantity);
    meanings.iter().any(is_item) && meanings.iter().any(is_stock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tills_call_the_stock_is_known_in_many_languages() {
        for name in [
            "Qty",
            "QTY on hand",
            "Lagerbestand",
            "Quantité",
            "Giacenza",
            "Existencias",
            "Antal",
            "voorraad",
            "Free Stock",
        ] {
            assert_eq!(meaning(name), Some(Meaning::Quantity), "{name}");
        }
        for name in ["Item Code", "Artikel-Nr.", "Référence", "Varenummer", "PLU", "Stock Code"] {
            assert_eq!(meaning(name), Some(Meaning::ItemCode), "{name}");
        }
    }

    #[test]
    fn numbers_that_are_not_the_stock_are_not_taken_for_it() {
        for name in [
            "Min Qty",
            "Reorder quantity",
            "Mindestbestand",
            "Qty sold",
            "Qty on order",
            "Stock value",
            "Supplier stock",
        ] {
            assert_ne!(meaning(name), Some(Meaning::Quantity), "{name}");
        }
    }
}
