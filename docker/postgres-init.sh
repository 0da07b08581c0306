#!/bin/sh
# One database and one role per service, made at the first start of the container. Roles and
# databases have the service's name with « _ »; passwords are for a developer's machine.
set -eu
for service in ds_intake ordinal_adapter rpps_flux cpam_cps rdv_agenda_sync indemnite; do
    psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
CREATE ROLE ${service} LOGIN PASSWORD '${service}';
CREATE DATABASE ${service} OWNER ${service};
REVOKE CONNECT ON DATABASE ${service} FROM PUBLIC;
SQL
done
