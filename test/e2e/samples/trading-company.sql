-- A company that imports food, after the shape of the Northwind sample database, with its reports as views.
create table categories (category_id smallint primary key, category_name varchar(15) not null, picture bytea);
create table suppliers (supplier_id smallint primary key, company_name varchar(40) not null);
create table shippers (shipper_id smallint primary key, company_name varchar(40) not null);
create table customers (customer_id varchar(5) primary key, company_name varchar(40) not null, city varchar(15), country varchar(15));
create table employees (
  employee_id smallint primary key, last_name varchar(20) not null, first_name varchar(10) not null, birth_date date,
  photo bytea, notes text, reports_to smallint references employees
);
create table territories (territory_id varchar(20) primary key, description varchar(60) not null);
create table employee_territories (
  employee_id smallint not null references employees, territory_id varchar(20) not null references territories,
  primary key (employee_id, territory_id)
);
create table products (
  product_id smallint primary key, product_name varchar(40) not null, supplier_id smallint references suppliers,
  category_id smallint references categories, unit_price real, units_in_stock smallint, discontinued integer not null
);
create table orders (
  order_id smallint primary key, customer_id varchar(5) references customers, employee_id smallint references employees,
  order_date date, shipped_date date, ship_via smallint references shippers, freight real, ship_country varchar(15)
);
create table order_details (
  order_id smallint not null references orders, product_id smallint not null references products,
  unit_price real not null, quantity smallint not null, discount real not null, primary key (order_id, product_id)
);
create view order_subtotals as
  select order_id, sum((unit_price * quantity * (1 - discount))::numeric(12, 2)) as subtotal from order_details group by order_id;
create view order_details_extended as
  select d.order_id, d.product_id, p.product_name, d.unit_price, d.quantity from products as p join order_details as d using (product_id);
create view invoices as
  select o.order_id, o.customer_id, c.company_name as customer_name, (e.first_name || ' ' || e.last_name) as salesperson, s.company_name as shipper, x.product_name, x.quantity
  from customers as c
  join orders as o on c.customer_id = o.customer_id
  join employees as e on e.employee_id = o.employee_id
  join shippers as s on s.shipper_id = o.ship_via
  join order_details_extended as x on x.order_id = o.order_id;
create view summary_of_sales as
  select o.shipped_date, o.order_id, t.subtotal from orders as o join order_subtotals as t using (order_id) where o.shipped_date is not null;
create view products_above_average as
  select product_name, unit_price from products where unit_price > (select avg(unit_price) from products);
insert into categories select i, 'Category ' || i from generate_series(1, 4) as i;
insert into suppliers select i, 'Supplier ' || i from generate_series(1, 5) as i;
insert into shippers values (1, 'Speedy'), (2, 'United');
insert into customers select 'C' || lpad(i::text, 4, '0'), 'Company ' || i, 'City', 'Country' from generate_series(1, 30) as i;
insert into employees values (2, 'Fuller', 'Andrew', '1952-02-19', null, 'boss', null), (1, 'Davolio', 'Nancy', '1948-12-08', null, null, 2);
insert into territories values ('01581', 'Westboro'), ('01730', 'Bedford');
insert into employee_territories values (1, '01581'), (2, '01730');
insert into products select i, 'Product ' || i, 1 + i % 5, 1 + i % 4, i * 1.5, i, 0 from generate_series(1, 70) as i;
insert into orders select i, 'C' || lpad((1 + i % 30)::text, 4, '0'), 1 + i % 2, date '2026-01-01' + i, case when i % 3 > 0 then date '2026-02-01' + i end, 1 + i % 2, i, 'X' from generate_series(1, 400) as i;
insert into order_details select 1 + i % 400, 1 + i / 400 * 7 + i % 7, 2.5, i % 20, 0 from generate_series(0, 1999) as i on conflict do nothing;
