BEGIN TRANSACTION;
CREATE TABLE connector (
				id text not null primary key,
				type text not null,
				name text not null,
				resource_version text not null,
				config blob
			, grant_types blob);
INSERT INTO "connector" VALUES('local','local','Email','',NULL,X'6E756C6C');
CREATE TABLE password (
				email text not null primary key,
				hash blob not null,
				username text not null,
				user_id text not null
			, preferred_username text not null default '', groups blob not null default '[]', name text not null default '', email_verified integer);
INSERT INTO "password" VALUES('me@example.com',X'243261243130245862632F2F2E5547596944354B654D4C6A646F63786555374756526C6A56656C59654D6258786778676A56476F667079342E52304F','Me','a531004f-b85b-4fc4-8701-84232402341b','',X'6E756C6C','',NULL);
INSERT INTO "password" VALUES('ann@example.com',X'243261243130245861424E5A67477772484D65442E586E494A5072767530666C694353784B35595A74317169536B48753770486F583949574B4F4647','Ann','3cd6006e-443e-4224-9630-e414b3e1e0ee','',X'6E756C6C','',NULL);
INSERT INTO "password" VALUES('old@example.com',X'24326124313024485743652F337253433470454B68796855525A6144655A61756C39375547744A71466D346831314F363672705A43526141364C5365','Old 0.74.0','7e14e716-7abb-476f-b92f-e06677d61cdd','',X'6E756C6C','',NULL);
COMMIT;
