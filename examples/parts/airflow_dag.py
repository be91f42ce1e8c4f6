"""Every night: give up what the night before may have left, then load 16 parts wherever Airflow's workers are."""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.providers.standard.operators.bash import BashOperator  # Airflow 2: airflow.operators.bash

PARTS, SHOP = 16, "/shop"
# Exit code 3 says that some lines were rejected: no reason to run the part again.
LOAD = "esmm ingest catalog.jsonl --part {part}/{parts} --run '{{{{ run_id }}}}' || [ $? -eq 3 ]"

with DAG(
    "esmm_ingest",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # a second run is refused anyway while one is under way
    default_args={"retries": 3, "retry_delay": timedelta(minutes=2)},
):
    give_up = BashOperator(task_id="give_up", bash_command="esmm parts --drop", cwd=SHOP)
    parts = BashOperator.partial(task_id="part", cwd=SHOP).expand(
        bash_command=[LOAD.format(part=number, parts=PARTS) for number in range(1, PARTS + 1)]
    )
    give_up >> parts
