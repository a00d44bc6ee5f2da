-- Where the trace was when the event was published (W3C Trace Context), for the spans of its deliveries; null when it was
-- not traced.
alter table events add column traceparent text check (length(traceparent) <= 55);
