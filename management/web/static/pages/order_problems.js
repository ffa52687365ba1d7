// Problems of an order at the fields of forms, which have the names that they have in the order.

export function atFields(error) {
  for (const one of error.errors || []) one.field = one.field.replace(/^provision\./, "");
  throw error;
}
