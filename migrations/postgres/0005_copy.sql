-- unfinished_copy  at most one row: a copy of another store was begun into this one, and has not been committed. The row is there before the
--                  copy, and goes in the copy's own transaction; while it is there no service starts here, or it would start on nothing and
--                  take what indexers repeat for news.

CREATE TABLE unfinished_copy (
    one      smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    begun_at bigint NOT NULL                             -- microseconds
);
