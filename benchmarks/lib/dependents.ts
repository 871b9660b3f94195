/** What a table in the middle of a real schema has hanging on it: for the hold of a swap that carries it all. */
import type pg from 'pg';
const statements = [
  ...['items', 'bills', 'returns'].flatMap((name) => [
    `create table ${name} (order_id integer constraint ${name}_order references orders)`,
    `create index on ${name} (order_id)`,
    `insert into ${name} select id from orders order by id limit 1000`,
  ]),
  // Writers delete orders: that must not fail for want of an order that a row of these tables has.
  ...['items', 'bills', 'returns'].map(
    (name) => `alter table ${name} drop constraint ${name}_order,
      add constraint ${name}_order foreign key (order_id) references orders on delete cascade`,
  ),
  "create view v_open as select id, customer_id, total, status from orders where status = 'new'",
  'create view v_totals as select customer_id, sum(total) as total from orders group by customer_id',
  'create view v_big as select id, total from v_open where total > 100',
  'create view v_items as select i.order_id, o.total from items as i join orders as o on o.id = i.order_id',
  'create view v_customers as select t.customer_id, t.total, o.id from v_totals as t join v_open as o using (customer_id)',
  ...['status', 'quantity', 'updated_at', 'total', 'note', '(id % 7)'].map(
    (column) => `create index on orders (${column})`,
  ),
];

export async function addDependents(client: pg.Client) {
  for (const statement of statements) await client.query(statement);
}
