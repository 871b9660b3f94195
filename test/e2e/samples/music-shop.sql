-- A music shop with names that need quotes, after the shape of the Chinook sample database.
create table "Artist" ("ArtistId" integer not null, "Name" varchar(120), constraint "PK_Artist" primary key ("ArtistId"));
create table "Album" (
  "AlbumId" integer not null, "Title" varchar(160) not null, "ArtistId" integer not null,
  constraint "PK_Album" primary key ("AlbumId")
);
create table "Genre" ("GenreId" integer not null, "Name" varchar(120), constraint "PK_Genre" primary key ("GenreId"));
create table "MediaType" ("MediaTypeId" integer not null, "Name" varchar(120), constraint "PK_MediaType" primary key ("MediaTypeId"));
create table "Track" (
  "TrackId" integer not null, "Name" varchar(200) not null, "AlbumId" integer, "MediaTypeId" integer not null,
  "GenreId" integer, "Composer" varchar(220), "Milliseconds" integer not null, "Bytes" integer, "UnitPrice" numeric(10, 2) not null,
  constraint "PK_Track" primary key ("TrackId")
);
create table "Employee" (
  "EmployeeId" integer not null, "LastName" varchar(20) not null, "ReportsTo" integer, "HireDate" timestamp,
  constraint "PK_Employee" primary key ("EmployeeId")
);
create table "Customer" (
  "CustomerId" integer not null, "FirstName" varchar(40) not null, "Email" varchar(60) not null, "SupportRepId" integer,
  constraint "PK_Customer" primary key ("CustomerId")
);
create table "Invoice" (
  "InvoiceId" integer not null, "CustomerId" integer not null, "InvoiceDate" timestamp not null, "Total" numeric(10, 2) not null,
  constraint "PK_Invoice" primary key ("InvoiceId")
);
create table "InvoiceLine" (
  "InvoiceLineId" integer not null, "InvoiceId" integer not null, "TrackId" integer not null, "Quantity" integer not null,
  constraint "PK_InvoiceLine" primary key ("InvoiceLineId")
);
create table "Playlist" ("PlaylistId" integer not null, "Name" varchar(120), constraint "PK_Playlist" primary key ("PlaylistId"));
create table "PlaylistTrack" (
  "PlaylistId" integer not null, "TrackId" integer not null, constraint "PK_PlaylistTrack" primary key ("PlaylistId", "TrackId")
);
alter table "Album" add constraint "FK_AlbumArtistId" foreign key ("ArtistId") references "Artist" ("ArtistId") on delete no action on update no action;
create index "IFK_AlbumArtistId" on "Album" ("ArtistId");
alter table "Customer" add constraint "FK_CustomerSupportRepId" foreign key ("SupportRepId") references "Employee" ("EmployeeId");
create index "IFK_CustomerSupportRepId" on "Customer" ("SupportRepId");
alter table "Employee" add constraint "FK_EmployeeReportsTo" foreign key ("ReportsTo") references "Employee" ("EmployeeId");
create index "IFK_EmployeeReportsTo" on "Employee" ("ReportsTo");
alter table "Invoice" add constraint "FK_InvoiceCustomerId" foreign key ("CustomerId") references "Customer" ("CustomerId");
alter table "InvoiceLine" add constraint "FK_InvoiceLineInvoiceId" foreign key ("InvoiceId") references "Invoice" ("InvoiceId");
alter table "InvoiceLine" add constraint "FK_InvoiceLineTrackId" foreign key ("TrackId") references "Track" ("TrackId");
create index "IFK_InvoiceLineTrackId" on "InvoiceLine" ("TrackId");
alter table "PlaylistTrack" add constraint "FK_PlaylistTrackPlaylistId" foreign key ("PlaylistId") references "Playlist" ("PlaylistId");
alter table "PlaylistTrack" add constraint "FK_PlaylistTrackTrackId" foreign key ("TrackId") references "Track" ("TrackId");
alter table "Track" add constraint "FK_TrackAlbumId" foreign key ("AlbumId") references "Album" ("AlbumId");
alter table "Track" add constraint "FK_TrackGenreId" foreign key ("GenreId") references "Genre" ("GenreId");
alter table "Track" add constraint "FK_TrackMediaTypeId" foreign key ("MediaTypeId") references "MediaType" ("MediaTypeId");
create index "IFK_TrackAlbumId" on "Track" ("AlbumId");
insert into "Artist" select i, 'Artist ' || i from generate_series(1, 20) as i;
insert into "Album" select i, 'Album ' || i, 1 + i % 20 from generate_series(1, 50) as i;
insert into "Genre" values (1, 'Rock'), (2, 'Jazz');
insert into "MediaType" values (1, 'MPEG audio file');
insert into "Track" select i, 'Track ' || i, 1 + i % 50, 1, 1 + i % 2, null, i * 1000, i, 0.99 from generate_series(1, 500) as i;
insert into "Employee" values (1, 'Adams', null, '2002-08-14'), (2, 'Edwards', 1, '2002-05-01'), (3, 'Peacock', 2, '2002-04-01');
insert into "Customer" select i, 'C' || i, 'c' || i || '@example.com', 3 from generate_series(1, 40) as i;
insert into "Invoice" select i, 1 + i % 40, timestamp '2026-01-01', i from generate_series(1, 100) as i;
insert into "InvoiceLine" select i, 1 + i % 100, 1 + i % 500, 1 from generate_series(1, 400) as i;
insert into "Playlist" values (1, 'Music');
insert into "PlaylistTrack" select 1, i from generate_series(1, 300) as i;
